package catalogue

// Parse opens the reader of the table, so that broken tables can be tried.
func Parse(text string) (int, error) {
	codes, err := parse(text)
	return len(codes), err
}

// Cells opens the reader of the two tables about Elastic's integration.
func Cells(text string, header ...string) (int, error) {
	rows, err := cells(text, header)
	return len(rows), err
}
