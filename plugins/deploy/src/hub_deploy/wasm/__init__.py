"""Static sites that run a model in the browser: llama.cpp compiled to WebAssembly, and a chat."""

from hub_deploy.wasm._site import Deployed, Order, Part, deploy
from hub_deploy.wasm._wllama import VERSION, Wllama, wllama

__all__ = ["VERSION", "Deployed", "Order", "Part", "Wllama", "deploy", "wllama"]
