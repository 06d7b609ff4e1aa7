"""Tools of other programs, over the Model Context Protocol: `files = mcp.server("files", command=[…])`.

Only this package imports the library of the protocol, and only once a tool is called.
"""

from gatework.mcp.server import Server, server

__all__ = ["Server", "server"]
