package telemetry

// NewLogger makes the logger that Open makes, on any file.
var NewLogger = newLogger
