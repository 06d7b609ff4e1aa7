"""The parts of `demo.py`: mails, what is shown of their runs, who decides, and the report at the end."""
