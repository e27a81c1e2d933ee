"""Results to people (tables, sentences), to pipes (plain) and to programs (JSON), and the one sanitiser."""
