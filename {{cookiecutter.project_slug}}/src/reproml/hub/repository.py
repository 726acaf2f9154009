"""A repository on the Hugging Face Hub, or on another server of its kind, which HF_ENDPOINT names."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, RepositoryNotFoundError
from huggingface_hub.utils import disable_progress_bars, logging, validate_repo_id  # type: ignore[attr-defined]

from ..errors import ConfigError, HubError, UserError
from ..secrets import mask, values
from .contents import ALL


class Repository:
    """A repository for a model, which need not exist yet.

    Args:
        name: `OWNER/NAME`.
        private: whether only its owner is to see it.

    Raises:
        ConfigError: it can have no such name.
        HubError: there is no token.
    """

    def __init__(self, name: str, private: bool) -> None:
        try:
            validate_repo_id(name)
        except HFValidationError as error:
            raise _bad_name(name) from error
        if "/" not in name:
            raise _bad_name(name)
        token = get_token()
        if token is None:
            raise HubError("there is no token for the Hugging Face Hub: set HF_TOKEN in .env, or run hf auth login")
        values.note(token)  # one of `hf auth login` is not in the environment, and is masked all the same
        self.name, self.private = name, private
        self._api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, token=token)
        self.address = mask(f"{self._api.endpoint}/{name}")
        logging.set_verbosity_error()  # what it warns of is said here
        if not sys.stderr.isatty():
            disable_progress_bars()

    def exists(self) -> bool:
        """Whether it is there.

        Raises:
            HubError: it is public where a private one is meant, or the other way round; the server cannot be reached,
                or refuses the token.
        """
        return self._commit() is not None

    def upload(self, files: Mapping[str, Path | bytes], message: str) -> bool:
        """Upload files in one commit, and return whether there was anything to change. A new repository is made first.

        What an earlier upload left of another run is removed.

        Args:
            files: content, or path of the file, by name.
            message: of the commit.

        Raises:
            HubError: as in `exists`, or the server does not take the files.
        """
        before = self._commit()
        with self._told():
            if before is None:
                self._api.create_repo(self.name, private=self.private)
            there = self._names()
            commit = self._api.create_commit(
                self.name,
                [
                    *(CommitOperationAdd(name, content) for name, content in files.items()),
                    *(CommitOperationDelete(name) for name in ALL if name in there and name not in files),
                ],
                commit_message=message,
            )
            if lacking := [name for name in files if name not in self._names()]:
                raise HubError(f"{self.address} has not taken {lacking[0]}: remove it from the .gitignore there")
        return bool(commit.oid != before)

    def _commit(self) -> str | None:
        """Return the newest commit, None where there is no repository."""
        with self._told():
            try:
                found = self._api.model_info(self.name)
            except RepositoryNotFoundError:
                return None
        if self.private and not found.private:
            raise HubError(f"{self.name} is public: add --public to upload to it for everyone, or give another --repo")
        if found.private and not self.private:
            raise HubError(f"{self.name} is private, which no upload changes: leave out --public, or change it there")
        return found.sha

    def _names(self) -> set[str]:
        return set(self._api.list_repo_files(self.name))

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Raise what goes wrong as one sentence."""
        try:
            yield
        except UserError:
            raise
        except OfflineModeIsEnabled as error:
            raise HubError("HF_HUB_OFFLINE is set, so nothing is uploaded: unset it") from error
        except HfHubHTTPError as error:
            raise HubError(mask(self._refusal(error))) from None  # its traceback shows requests
        except Exception as error:  # the client passes on what its libraries raise, of which there are three
            said = (str(error).splitlines() or [type(error).__name__])[0]
            raise HubError(
                mask(f"{self._api.endpoint} cannot be reached ({said}): check the network and HF_ENDPOINT")
            ) from None

    def _refusal(self, error: HfHubHTTPError) -> str:
        status, server = error.response.status_code, self._api.endpoint
        if status == 401:
            return f"{server} does not accept the token: make one with write access there, and set HF_TOKEN"
        if status == 403:
            return f"the token may not write to {self.name}: give it write access on {server}, or give another --repo"
        said = (error.server_message or "no reason").splitlines()[0]
        return f"{server} has answered {status} ({said}): nothing is uploaded; try again later"


def _bad_name(name: str) -> ConfigError:
    return ConfigError(
        f"--repo {name} is not a name of a repository: give OWNER/NAME, of letters, digits, '-', '_' and '.'"
    )
