"""What the port offers while configurations come and go: the one in force answers, earlier ones for resumes only."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import trio

from opusagent.daemon.desk import Desk, ResumeDesk
from opusagent.daemon.generation import Generation
from opusagent.daemon.observer import Observer
from opusagent.daemon.roster import Roster
from opusagent.daemon.site import Reception
from opusagent.net.http import Request, Response, Upgrade
from opusagent.net.message_socket import MessageSocket

READY_PATH: Final = "/readyz"

_UNKNOWN: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
"""How a peer is answered that an earlier configuration would have known: by another token, or at another path."""


class Frontage:
    """The site of the port."""

    def __init__(
        self, generation: Generation, roster: Roster, observer: Observer, is_ready: Callable[[], bool]
    ) -> None:
        self._roster: Final = roster
        self._observer: Final = observer
        self._is_ready: Final = is_ready
        self._generation = generation
        self._desk = Desk(generation, roster, observer)
        self._reception = Reception(generation.config, self._desk)
        self._retired: dict[int, Reception] = {}

    @property
    def generation(self) -> Generation:
        """The one in force."""
        return self._generation

    def follow(self, generation: Generation) -> None:
        """From the next request on, `generation` is in force."""
        desk = Desk(generation, self._roster, self._observer)
        reception = Reception(generation.config, desk)
        self._retired[self._generation.number] = Reception(self._generation.config, ResumeDesk(self._desk))
        self._generation, self._desk, self._reception = generation, desk, reception
        self._forget()

    async def readmit(self, token: str, socket: MessageSocket) -> None:
        """Let a socket that another process accepted come back for its call here. `token` names the platform's."""
        await self._desk.resume_audiocodes_call(token, socket)

    async def answer(self, request: Request) -> Response | Upgrade:
        """The answer of the generation in force, or of an earlier one to a platform that comes back for its call."""
        if request.path == READY_PATH and request.method in {"GET", "HEAD"}:
            await trio.lowlevel.checkpoint()
            return self._readiness()
        answer = await self._reception.answer(request)
        if isinstance(answer, Response) and answer.status in _UNKNOWN and request.wants_websocket:
            return await self._answer_of_old(request) or answer
        return answer

    def _readiness(self) -> Response:
        """For load balancers: may calls be sent here. It tells nothing else, because anybody may ask."""
        return Response(200, b"ready\n") if self._is_ready() else Response(503, b"not ready\n")

    async def _answer_of_old(self, request: Request) -> Upgrade | None:
        self._forget()
        for number in sorted(self._retired, reverse=True):
            answer = await self._retired[number].answer(request)
            if isinstance(answer, Upgrade):
                return answer
        return None

    def _forget(self) -> None:
        """Let go of the generations whose last call has ended."""
        alive = {call.generation for call in self._roster.conversations}
        self._retired = {number: reception for number, reception in self._retired.items() if number in alive}
