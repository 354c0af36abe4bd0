"""The recipe's `scenario` section: who plans scenes, and how a language model is reached when one takes part.

    scenario:
      planner: chat
      chat: {url: "http://127.0.0.1:8000", model: Qwen/Qwen3-8B}

Blank settings of the server are taken from the environment when the recipe is read, so that the resolved recipe of a
run says which model it used. The key is the exception: it is never written anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from soundflow_data.errors import RecipeError

URL_VARIABLE: Final = "SOUNDFLOW_CHAT_URL"
MODEL_VARIABLE: Final = "SOUNDFLOW_CHAT_MODEL"
KEY_VARIABLE: Final = "SOUNDFLOW_CHAT_KEY"


PATIENCE: Final = {
    "url", "answers", "timeout_s", "retries", "corrections", "backoff_s", "max_wait_s", "concurrency", "give_up_after",
    "rest_s",
}  # fmt: skip
"""Settings of a server that decide how an answer is come by, not which: no part of a recipe's fingerprint."""


def _secret(value: object) -> object:
    """Takes anything as a key, so that no message about a wrong type shows it; a blank is none."""
    if value is None or isinstance(value, SecretStr):
        return value
    return SecretStr(str(value).strip()) if str(value).strip() else None


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)  # it may hold a key


class ChatSettings(_Section):
    """An OpenAI-compatible server, and how patient one is with it."""

    url: str = Field("", description=f"Address of the server, such as http://127.0.0.1:8000/v1; else {URL_VARIABLE}.")
    model: str = Field("", description=f"Name of the model there; else {MODEL_VARIABLE}.")
    key: Annotated[SecretStr | None, BeforeValidator(_secret)] = Field(
        None,
        exclude=True,
        description=f"Key, when the server wants one; in recipes only by {KEY_VARIABLE}. Never written anywhere.",
    )
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7
    options: dict[str, Any] = Field(
        default_factory=dict, description="More keys of the request body, such as {max_tokens: 2000}."
    )
    answers: str = Field("answers", description="Folder that keeps every answer, shared by all workers.")
    timeout_s: Annotated[float, Field(gt=0)] = Field(60.0, description="Longest time that one request may take.")
    retries: Annotated[int, Field(ge=0, le=20)] = Field(4, description="More requests when the server fails.")
    corrections: Annotated[int, Field(ge=0, le=20)] = Field(2, description="More requests when an answer is of no use.")
    backoff_s: Annotated[float, Field(ge=0)] = Field(
        1.0, description="Wait before the first retry; then twice as long."
    )
    max_wait_s: Annotated[float, Field(ge=0)] = Field(
        60.0, description="Longest wait, also when the server asks for one."
    )
    concurrency: Annotated[int, Field(ge=1, le=1024)] = Field(
        4, description="Requests at the same time, of all processes that share the folder of answers."
    )
    give_up_after: Annotated[int, Field(ge=1)] = Field(
        5, description="Questions in a row that the server fails before it is left alone for a while."
    )
    rest_s: Annotated[float, Field(ge=0)] = Field(60.0, description="How long it is left alone then.")

    @field_validator("url")
    @classmethod
    def _usable_url(cls, url: str) -> str:
        if not url:
            return url
        parts = urlsplit(url)
        if "@" in parts.netloc:
            raise ValueError(f"the URL holds a password or key; leave it out and set {KEY_VARIABLE}")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a server; it starts with http:// or https:// and names a host")
        return url

    @field_validator("options")
    @classmethod
    def _free_options(cls, options: dict[str, Any]) -> dict[str, Any]:
        taken = sorted({"model", "messages", "response_format", "temperature", "stream", "n"} & set(options))
        if taken:
            raise ValueError(f"options may not hold {', '.join(taken)}: SoundFlow sets these itself")
        return options

    def with_environment(self, environment: Mapping[str, str] | None = None) -> ChatSettings:
        """Returns the settings with blank URL, model and key taken from the environment, by default the process's.

        Raises:
            RecipeError: The environment's URL is no address.
        """
        known = os.environ if environment is None else environment
        data = {**self.model_dump(), "key": self.key}
        for field, variable in (("url", URL_VARIABLE), ("model", MODEL_VARIABLE), ("key", KEY_VARIABLE)):
            if not data[field]:
                data[field] = known.get(variable, "").strip() or (None if field == "key" else "")
        try:
            return ChatSettings.model_validate(data)
        except ValidationError as error:
            found = "; ".join(problem["msg"].removeprefix("Value error, ") for problem in error.errors())
            raise RecipeError(f"{URL_VARIABLE}: {found}") from None


class ScenarioSettings(_Section):
    """How scenes are planned and filled."""

    planner: Literal["rules", "chat"] = Field("rules", description="`chat` asks a language model for plans.")
    rewriter: Literal["none", "chat"] = Field("none", description="`chat` lets a language model vary what users say.")
    auditor: Literal["rules", "chat"] = Field("rules", description="Who judges whether silence is right.")
    variations: Annotated[int, Field(ge=1)] = Field(
        16, description="Different plans or wordings that a language model is asked for, of the same material."
    )
    generation: bool = Field(True, description="Whether a sound that no clip fits is synthesised.")
    embedder: str = Field(
        "", description="Folder of a sentence-embedding model, to find clips by meaning; by words when blank."
    )
    vectors: str = Field(
        "", description="Folder that keeps the embeddings of banks; when blank, every worker makes its own."
    )
    chat: ChatSettings = ChatSettings()

    @field_validator("embedder", "vectors")
    @classmethod
    def _absolute(cls, folder: str) -> str:
        return str(Path(folder).absolute()) if folder else ""  # workers may start elsewhere

    @property
    def asks(self) -> bool:
        """Whether a language model takes part."""
        return "chat" in {self.planner, self.rewriter, self.auditor}

    @model_validator(mode="before")
    @classmethod
    def _from_environment(cls, data: Any) -> Any:
        """Fills in what the environment knows, only where a language model takes part.

        So a resolved recipe is complete, and workers on other machines get the key with it, in memory.
        """
        if isinstance(data, dict) and isinstance(data.get("chat"), dict) and data["chat"].get("key") is not None:
            raise ValueError(f"chat.key: recipes and command lines are kept with what they make; set {KEY_VARIABLE}")
        if not isinstance(data, dict) or "chat" not in [data.get(key) for key in ("planner", "rewriter", "auditor")]:
            return data
        chat = data.get("chat") or {}
        if not isinstance(chat, dict):
            return data
        variables = {"url": URL_VARIABLE, "model": MODEL_VARIABLE, "key": KEY_VARIABLE}
        found = {field: os.environ.get(variable, "").strip() for field, variable in variables.items()}
        chat = {**found, **{key: value for key, value in chat.items() if value not in ("", None)}}
        if isinstance(folder := chat.get("answers", "answers"), str):
            chat["answers"] = str(Path(folder).absolute())  # workers may start elsewhere
        return {**data, "chat": chat}

    @model_validator(mode="after")
    def _complete(self) -> ScenarioSettings:
        if self.asks:
            for field, variable in (("url", URL_VARIABLE), ("model", MODEL_VARIABLE)):
                if not getattr(self.chat, field):
                    raise ValueError(
                        f"chat.{field}: a language model takes part, but none is named; set chat.{field} or the "
                        f"environment variable {variable}"
                    )
        return self
