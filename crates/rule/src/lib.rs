//! The rule language: lexer, parser, syntax tree, display.
