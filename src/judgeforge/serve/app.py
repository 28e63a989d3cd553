"""The routes, and what each outcome is in HTTP."""

from collections.abc import Callable
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer

from judgeforge import __version__
from judgeforge.serve.dispatcher import Dispatcher, KilledWorkers, QueueFull
from judgeforge.serve.guard import RETRY_AFTER_S
from judgeforge.serve.messages import Answer
from judgeforge.serve.metrics import Metrics
from judgeforge.serve.schemas import (
    Direct,
    DirectRequest,
    DirectVerdict,
    Health,
    Pairwise,
    PairwiseRequest,
    PairwiseVerdict,
    Problem,
    Reload,
)

_UNANSWERABLE = {
    "prompt_too_long": "The prompt is longer than evaluate.max_prompt_tokens of this service. Shorten the texts.",
    "refused": "The judge's server would not answer this.",
}
_SHOWN_FAULTS, _SHOWN_CHARACTERS = 5, 80


def _document(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Problem} for status in statuses}


class Routes:
    """The handlers.

    Args:
        dispatcher: grades.
        metrics: counts.
        timeout_s: for an answer.
        reload: starts a change of the judge; False if one is under way.
    """

    def __init__(self, dispatcher: Dispatcher, metrics: Metrics, timeout_s: float, reload: Callable[[], bool]) -> None:
        self._dispatcher, self._metrics, self._timeout_s, self._reload = dispatcher, metrics, timeout_s, reload

    async def grade_direct(self, item: Direct) -> DirectVerdict:
        """Score one response by a rubric."""
        fields, answer = await self._grade(item)
        score = answer.verdict.score if answer.verdict else None
        return DirectVerdict(**fields, score=score, expected_score=answer.expected_score)

    async def grade_pairwise(self, item: Pairwise) -> PairwiseVerdict:
        """Name the better of two responses by a rubric."""
        fields, answer = await self._grade(item)
        return PairwiseVerdict.model_validate(fields | {"choice": answer.verdict.choice if answer.verdict else None})

    async def show_live(self) -> Health:
        """Tell that the service is there."""
        return Health(status="live", model_version=self._dispatcher.version, worker=self._dispatcher.worker)

    async def show_ready(self, response: Response) -> Health:
        """Tell whether a judge can answer now (200) or not (503)."""
        version = self._dispatcher.version
        response.status_code = 503 if version is None else 200
        status: Any = "no worker" if version is None else "ready"
        return Health(status=status, model_version=version, worker=self._dispatcher.worker)

    async def show_metrics(self) -> Response:
        """Give the metrics in Prometheus' text format."""
        return Response(self._metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def start_reload(self) -> Reload:
        """Look for a new judge, and change to it once it is loaded."""
        return Reload(status="started" if self._reload() else "under way", model_version=self._dispatcher.version)

    async def _grade(self, item: DirectRequest | PairwiseRequest) -> tuple[dict[str, Any], Answer]:
        try:
            answer, version = await self._dispatcher.grade(item, self._timeout_s)
        except QueueFull:
            raise _busy("Too many requests wait. Send it again later.") from None
        except TimeoutError:
            detail = f"There was no answer within {self._timeout_s:g} s. Send it again later, or serve a faster judge."
            raise HTTPException(504, detail) from None
        except KilledWorkers:
            raise _busy("Every worker that was asked this died. See the service's log.") from None
        if answer.broken:
            raise HTTPException(500, "The judge failed at this item. See the service's log.")
        refusal = answer.refusal or _UNANSWERABLE.get(answer.finish)
        if refusal or answer.verdict is None:
            raise HTTPException(422, refusal or "The judge cannot be asked this.")
        if not answer.verdict.parsed:
            self._metrics.count_unparsable(item.format)
        fields = answer.model_dump(include={"finish", "prompt_tokens", "output_tokens"})
        shared = {"item_id": item.item_id, "feedback": answer.verdict.feedback, "parsed": answer.verdict.parsed}
        return fields | shared | {"model_version": version}, answer


def build_app(routes: Routes) -> FastAPI:
    """Build the application; docs/serving.md describes it."""
    app = FastAPI(title="judgeforge", version=__version__, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.add_exception_handler(RequestValidationError, _show_faults)
    # What is checked, and refused with 401, before the application; here for the description.
    bearer: Any = [Depends(HTTPBearer(auto_error=False, description="One of JUDGEFORGE_SERVE_TOKENS, if it is set."))]
    faults = {"dependencies": bearer, "responses": _document(400, 401, 403, 408, 413, 422, 500, 503, 504)}
    app.post("/grade/direct", tags=["grading"], **faults)(routes.grade_direct)
    app.post("/grade/pairwise", tags=["grading"], **faults)(routes.grade_pairwise)
    app.get("/health/live", tags=["operation"])(routes.show_live)
    app.get("/health/ready", tags=["operation"], responses={503: {"model": Health}})(routes.show_ready)
    shown: Any = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}} | _document(401, 403)
    app.get("/metrics", tags=["operation"], dependencies=bearer, responses=shown, response_class=Response)(
        routes.show_metrics
    )
    asked: Any = {"dependencies": bearer, "responses": _document(401, 403, 413)}
    app.post("/admin/reload", tags=["operation"], status_code=202, **asked)(routes.start_reload)
    return app


def list_routes(app: FastAPI) -> set[str]:
    """List the paths."""
    return {*app.openapi()["paths"], "/openapi.json"}


def _busy(detail: str) -> HTTPException:
    return HTTPException(503, detail, headers={"Retry-After": str(RETRY_AFTER_S)})


async def _show_faults(_request: Request, error: Exception) -> Response:
    """Name the faults, without giving back what was sent: it may be long, and no text at all."""
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    named = [
        f"{'.'.join(str(part)[:_SHOWN_CHARACTERS] for part in fault['loc'][1:]) or 'the body'}: {fault['msg']}"
        for fault in faults[:_SHOWN_FAULTS]
    ]
    detail = "; ".join(named).encode("utf-8", "replace").decode()
    return JSONResponse({"detail": f"{detail}. See /openapi.json."}, 422)
