"""Whether this process lives and can work, its numbers, and the description of the API."""

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html

from engage.api.commands import json_response
from engage.api.deps import ApiDeps
from engage.api.inputs import needs
from engage.api.metrics import CONTENT_TYPE, Metrics
from engage.domain.access import Scope


def health_routes(deps: ApiDeps, app: FastAPI) -> APIRouter:
    """Return the routes."""
    router = APIRouter(include_in_schema=False)
    numbers = Metrics(deps.reading, deps.catalog, deps.clock, deps.batcher)

    def guarded(request: Request) -> None:
        if not deps.open_docs:
            needs(deps, Scope.ADMIN)(request)

    @router.get("/healthz")
    async def healthy() -> Response:
        return json_response({"status": "ok"})

    @router.get("/readyz")
    def ready() -> Response:
        with deps.store.transaction() as tx:
            tx.definitions.epoch()
        return json_response({"status": "ready"})

    @router.get("/metrics", dependencies=[Depends(guarded)])
    def metrics() -> Response:
        return Response(numbers.text(), media_type=CONTENT_TYPE)

    @router.get("/openapi.json", dependencies=[Depends(guarded)])
    def description() -> Response:
        return json_response(app.openapi())

    @router.get("/docs", dependencies=[Depends(guarded)])
    def docs() -> Response:
        return get_swagger_ui_html(openapi_url="/openapi.json", title="engage")

    return router
