"""Files that people bring and take away. What is written appears whole or not at all."""
