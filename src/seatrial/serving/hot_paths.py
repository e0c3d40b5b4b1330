"""The way around FastAPI for the paths that requests for predictions take."""

from __future__ import annotations

from collections.abc import Iterable

from seatrial.serving.asgi import ASGIApp, Receive, Scope, Send
from seatrial.serving.routes import RawRoute

__all__ = ["HotPaths"]


class HotPaths:
    """Hands a POST for one of the application's raw routes to its endpoint, and everything else to the application.

    The application's middlewares, dependency stack and search for a route cost about 100 us a request, as much as all
    of ours; a raw endpoint needs none of them, since it answers every error itself.

    Args:
        app: has all the routes itself, so that this changes nothing but the time it takes.
        routes: of the application; those that are no raw ones are left to it.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[object]) -> None:
        self._app = app
        raw = [route for route in routes if isinstance(route, RawRoute)]
        posts = [route for route in raw if "POST" in (route.methods or ())]
        self._exact = {route.path: route.app for route in posts if not route.param_convertors}
        self._patterns = [(route.path_regex, route.app) for route in posts if route.param_convertors]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        endpoint = self._exact.get(path)
        if endpoint is None:
            for pattern, candidate in self._patterns:
                found = pattern.match(path)
                if found is not None:
                    scope["path_params"] = found.groupdict()
                    endpoint = candidate
                    break
        await (endpoint or self._app)(scope, receive, send)
