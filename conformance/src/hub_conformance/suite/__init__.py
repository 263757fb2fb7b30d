"""The tests of the suite, as classes to inherit from."""
