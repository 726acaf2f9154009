"""The routes."""

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi_offline import FastAPIOffline
from pydantic import ValidationError

from ..errors import DataError
from . import describe, schemas
from .body import Bodies
from .examples import show
from .limits import Limits
from .predictor import Predictor

# The page is one file, and loads nothing from elsewhere; blob: is a picture that its reader chose.
_PAGE_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src data: blob:; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
)


class HeadAsGet:
    """Answers HEAD as GET; the server sends no body then."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass on a request (ASGI)."""
        await self.app({**scope, "method": "GET"} if scope.get("method") == "HEAD" else scope, receive, send)


def build_app(predictor: Predictor, limits: Limits) -> FastAPI:
    """Return the application.

    Args:
        predictor: the model.
        limits: of requests.
    """
    info = describe.model(predictor, limits)
    interface = predictor.interface
    inputs_type = schemas.inputs_type(predictor.inputs, limits.examples)
    predictions_type = schemas.predictions_type(predictor.outputs, interface)
    examples_type = schemas.examples_type(interface)
    quantity = {"target": interface.target, "unit": interface.unit} if interface and interface.target else {}
    blank = {"inputs": [predictor.inputs.blank]}
    # one thread: requests wait for the model one after the other, and the event loop for none of them
    worker = ThreadPoolExecutor(max_workers=1)
    app: FastAPI = FastAPIOffline(title=info["project"]["name"], version=info["project"]["version"], redoc_url=None)
    app.add_middleware(HeadAsGet)
    bodies = Bodies(limits)

    def answer(body: bytearray, request: Request) -> bytes:
        try:
            inputs = inputs_type.model_validate_json(body).inputs  # type: ignore[attr-defined]
        except ValidationError as error:
            raise HTTPException(422, schemas.explain(error, predictor.inputs.words)) from None
        request.state.examples = len(inputs)
        given = {"model_sha256": predictor.model_sha256, "predictions": predictor.predict(inputs), **quantity}
        try:
            answered = predictions_type.model_validate(given)
        except ValidationError as error:
            if number := schemas.not_finite(error):
                raise HTTPException(
                    422, f"{number}: its numbers are too large for the network to compute with"
                ) from None
            raise
        return answered.model_dump_json().encode()

    @app.post(
        "/predict",
        response_model=predictions_type,
        description=predictor.outputs.method,
        responses={status: {"model": schemas.Problem} for status in (408, 413, 415, 422, 503)},
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": inputs_type.model_json_schema(), "example": blank}},
            }
        },
    )
    async def predict(request: Request) -> Response:
        """Return what the model says of a list of examples."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise HTTPException(415, "the body has to be JSON: send it with Content-Type: application/json")
        async with bodies.read(request) as body:
            answered = await asyncio.get_running_loop().run_in_executor(worker, answer, body, request)
        return Response(answered, media_type="application/json")

    @app.get("/health")
    async def health() -> schemas.Health:
        """Say that the model is loaded."""
        return schemas.Health(status="ok")

    @app.get("/model")
    async def model() -> dict[str, Any]:
        """Return what the model is, what it was trained on, and how good it is."""
        return info

    found = functools.cache(functools.partial(show, predictor))  # an error is not kept

    @app.get(
        "/examples",
        response_model=examples_type,
        description=f"Return {schemas.chosen(interface)}, where the prepared data is at hand.",
    )
    async def examples() -> dict[str, Any]:
        """Return test examples."""
        try:
            # in a thread that a stop of the server need not wait for, as it would for one of FastAPI's
            shown = await asyncio.get_running_loop().run_in_executor(None, found)
            return {"examples": shown, "missing": None}
        except DataError as error:
            return {"examples": [], "missing": str(error)}

    page = files(__package__).joinpath("page.html").read_text(encoding="utf-8")

    @app.get("/", include_in_schema=False)
    async def home() -> HTMLResponse:
        return HTMLResponse(page, headers={"Content-Security-Policy": _PAGE_POLICY})

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": "the server failed; its log says why"}, 500)

    return app
