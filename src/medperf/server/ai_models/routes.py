"""``/models``."""

from typing import Any

from medperf.domain import lifecycle
from medperf.domain.ai_models import Model, ModelForm
from medperf.server.ai_models import service
from medperf.server.ai_models.queries import MODELS
from medperf.server.call import Call, Wire
from medperf.server.routing import Number, Routes

routes = Routes("models")
routes.view("/models", MODELS, Model)


@routes.write("/models", Model, status=201)
def register_model(call: Call, form: ModelForm) -> Wire:
    """Register a model; it starts in development."""
    return service.register(call, form)


@routes.write("/models/{number}", Model, method="PATCH")
def edit_model(call: Call, number: Number, changes: dict[str, Any]) -> Wire:
    """Change a model that is still in development; fields as in registering."""
    return service.edit(call, number, changes)


routes.lifecycle("/models", Model, lifecycle.MODEL, service.act)
