package elastic

// Answers reads the answer to a bulk of count documents.
var Answers = answers
