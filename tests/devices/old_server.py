"""An adb server of another version: what a second adb on a computer leaves behind."""

import socket
import threading

_VERSION = 39


def start_old_server(port: int) -> threading.Thread:
    """Answers until a client of a newer version asks it to end.

    Args:
        port: where adb looks for its server.

    Returns:
        The thread, which ends with the server.
    """
    listener = socket.create_server(("127.0.0.1", port), reuse_port=True)

    def serve() -> None:
        with listener:
            while True:
                connection, _ = listener.accept()
                with connection:
                    length = int(connection.recv(4) or b"0", 16)
                    request = connection.recv(length)
                    if request == b"host:kill":
                        connection.sendall(b"OKAY")
                        return
                    version = f"{_VERSION:04x}".encode()
                    connection.sendall(b"OKAY0004" + version)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread
