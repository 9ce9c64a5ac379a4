"""How a command is given one of the stack's own credentials."""

from pathlib import Path

from pydantic import SecretStr

from prestage.cli_input import ask, read_up_to
from prestage.credentials import CredentialError

MAX_CREDENTIAL_BYTES = 32 * 1024
"""Far more than any has: Secrets Manager keeps 64 KiB, and the App's key is there as JSON."""


def read_credential(what: str, file: Path | None, option: str = "--file") -> SecretStr:
    """What is in the file, on standard input, or typed at a terminal.

    Args:
        what: what it is called.
        file: where it is; standard input, or a terminal, if None.
        option: what names the file.

    Raises:
        CredentialError: there is none, or what is there can't be one.
    """
    given = ask(what, file)
    if given is None:
        given = _text(what, file, option)
    if not given.strip():
        raise CredentialError(
            f"nothing came on standard input: give the {what} there, or in a file with {option}"
            if file is None
            else f"{option}: the file is empty, and the {what} has to be in it"
        )
    return SecretStr(given)


def _text(what: str, file: Path | None, option: str) -> str:
    where = "standard input" if file is None else option
    try:
        given = read_up_to(MAX_CREDENTIAL_BYTES, file)
    except OSError as error:
        raise CredentialError(f"{option} can't be read: {error.strerror}") from None
    if len(given) > MAX_CREDENTIAL_BYTES:
        raise CredentialError(f"{where}: larger than {MAX_CREDENTIAL_BYTES} bytes, and so no {what}")
    try:
        return given.decode()
    except UnicodeDecodeError:
        raise CredentialError(f"{where}: not text, and so no {what}") from None
