"""`python -m gatework`: the command line, where its script is not on the PATH."""

from gatework.cli.main import app

if __name__ == "__main__":
    app()
