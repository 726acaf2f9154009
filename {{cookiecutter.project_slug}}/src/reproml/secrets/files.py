"""Files that keep secrets, by name or content: no record includes them. .dockerignore has the same names.

Sources: the signatures of gitrob, and the rules of gitleaks and detect-secrets.
"""

import fnmatch
import re
from pathlib import PurePath

from .values import to_refuse

PRIVATE = (
    *(".env*", "*.env", ".netrc", "_netrc", ".pgpass", ".my.cnf", ".npmrc", ".yarnrc*", ".pypirc", ".vault-token"),
    *(".htpasswd", ".git-credentials", ".dockercfg", ".s3cfg", ".boto", "rclone.conf", "kubeconfig*"),
    *("*credential*", "*service?account*.json", "client_secret*", "secret*.json", "secret*.toml", "secret*.y*ml"),
    *("*.pem", "*.key", "*.p12", "*.pfx", "*.pkcs12", "*.jks", "*.keystore", "*.keytab", "*.ppk", "*.gpg"),
    *("*.kdb", "*.kdbx", "*.agilekeychain", "*.keychain", "*.kwallet", "*.psafe3", "*.ovpn", "*.tfvars", "*.tfstate"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*_rsa", "*_dsa", "*_ecdsa", "*_ed25519"),
)
PRIVATE_FOLDERS = (".aws", ".azure", ".docker", ".gcloud", ".gnupg", ".kube", ".ssh")
NOT_PRIVATE = (
    ".env.example",
    ".env.sample",
    ".env.template",
    "*credential*.py",
    "*credential*.md",
    "client_secret*.py",
)

# How tokens of known services begin, according to gitleaks and detect-secrets.
KNOWN_TOKENS = (
    r"\b(?:gh[opsur]_[A-Za-z0-9]{36}|github_pat_\w{60,}|gl(?:pat|dt|ft|rt|soat)-[\w-]{20,}"  # GitHub, GitLab
    r"|(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA)[A-Z0-9]{16}\b|AIza[\w-]{35}|ya29\.[\w-]{20,}"  # Amazon, Google
    r"|hf_[A-Za-z0-9]{30,}|sk-(?:proj-|svcacct-|admin-|ant-[a-z0-9]+-)?[A-Za-z0-9_]{20,}[\w-]*"  # models
    r"|xox[abeoprs]-[\w-]{10,}|npm_[A-Za-z0-9]{36}|pypi-Ag[\w-]{50,}|[rs]k_live_[A-Za-z0-9]{20,})"
)
_HELD = re.compile(rf"{KNOWN_TOKENS}|-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-".encode())


def is_private(path: PurePath) -> bool:
    """Whether the name of a file, or of a folder that it is in, says that it keeps secrets."""
    if {part.lower() for part in path.parent.parts} & set(PRIVATE_FOLDERS):
        return True
    name = path.name.lower()
    return _matches(name, PRIVATE) and not _matches(name, NOT_PRIVATE)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def holds_secret(content: bytes, before: bytes = b"") -> bool:
    """Whether a file holds a secret of the environment, or a private key or token that it did not hold before.

    Args:
        content: of the file.
        before: the committed version, if there is one.
    """
    if any(to_refuse().search(version.decode(errors="surrogateescape")) for version in (content, before)):
        return True
    return bool(set(_HELD.findall(content)) - set(_HELD.findall(before)))
