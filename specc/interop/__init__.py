"""Public model families: a Hugging Face folder's `config.json` to a spec, and a decided network back."""

from specc.interop.export import config_json
from specc.interop.folder import import_folder

__all__ = ["config_json", "import_folder"]
