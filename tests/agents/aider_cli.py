"""aider in a private world."""

from typing import ClassVar

from caving import Cave
from driven import NOWHERE, Agent
from fakes.chat import ChatApi, Turn

PRICES = ".aider/caches/model_prices_and_context_window.json"


class Aider(Agent[Turn]):
    name = "aider"
    declared: ClassVar = {"model": "openai/fake-model"}

    def __init__(self, cave: Cave, api: ChatApi, program: str) -> None:
        super().__init__(
            cave,
            api,
            program,
            OPENAI_API_BASE=f"{api.url}/v1",
            OPENAI_API_KEY="k",
            LITELLM_LOCAL_MODEL_COST_MAP="True",
            HTTPS_PROXY=NOWHERE,
        )
        prices = cave.home / PRICES
        prices.parent.mkdir(parents=True)
        prices.write_text('{"another-model": {}}')  # else it asks the network for them
