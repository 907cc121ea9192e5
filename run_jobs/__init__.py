"""The door of all steps that are pure data: a table map and a filter, without rules of their own."""
