package catalogue

// Parse opens the reader of the table, so that broken tables can be tried.
func Parse(text string) (int, error) {
	codes, err := parse(text)
	return len(codes), err
}
