"""`[routes]`: which agent takes which call, with everything that is wrong with it."""

from collections.abc import Collection, Iterator, Mapping

import attrs

from opusagent.daemon.config_agents import unknown
from opusagent.daemon.config_errors import TableReader
from opusagent.daemon.config_tables import Agent, AudioCodes, Config, Twilio
from opusagent.daemon.config_values import WrongValue, path_on_this_server, shown
from opusagent.daemon.routing import (
    DEFAULT_AGENT,
    REFUSE,
    VOICE_PATH,
    Names,
    Platform,
    Routes,
    plain_number,
    platform_at,
    webhook_of,
)


@attrs.frozen
class RoutesTable:
    """`[routes]` as the file has it."""

    default: str = DEFAULT_AGENT
    parameters: Mapping[str, Mapping[str, str]] = attrs.field(factory=dict[str, Mapping[str, str]])
    bots: Mapping[str, str] = attrs.field(factory=dict[str, str])
    paths: Mapping[str, str] = attrs.field(factory=dict[str, str])
    numbers: Mapping[str, str] = attrs.field(factory=dict[str, str])


@attrs.frozen
class RouteReader:
    """One pass over `[routes]`. `agents` are the names that there are; what is wrong is left with the `reader`."""

    _reader: TableReader
    _agents: Collection[str]
    _twilio: Twilio | None
    _audiocodes: AudioCodes | None

    def read(self) -> Routes:
        """The routes."""
        table = self._reader.read("routes", RoutesTable)
        self._reader.problems += self._problems(table)
        numbers = {plain_number(number): agent for number, agent in table.numbers.items()}
        return Routes(table.default, table.parameters, table.bots, table.paths, numbers)

    def _problems(self, table: RoutesTable) -> Iterator[str]:
        if table.default != REFUSE:
            yield from self._agent_problem("default", table.default, "routes.default", REFUSE)
        for name, agents in table.parameters.items():
            yield from self._name_problems("parameters", agents, f"routes.parameters.{name}")
        for key, names in (("bots", table.bots), ("paths", table.paths), ("numbers", table.numbers)):
            yield from self._name_problems(key, names, f"routes.{key}")
        yield from number_problems(table.numbers)
        if not {"twilio.path", "audiocodes.path"} & self._reader.faulty:
            yield from path_problems(table.paths, bases_of(self._twilio, self._audiocodes))

    def _name_problems(self, key: str, names: Names, place: str) -> Iterator[str]:
        for each, agent in names.items():
            yield from self._agent_problem(key, agent, f"{place}.{shown(each)}")

    def _agent_problem(self, key: str, agent: str, place: str, *others: str) -> Iterator[str]:
        if agent not in {DEFAULT_AGENT, *self._agents}:
            known = (*self._agents, DEFAULT_AGENT, *others)
            meant = unknown(agent, known, "agent")
            yield f"`{key}` names {shown(agent)}, and there is no such agent{meant}, at {place}"


def bases_of(twilio: Twilio | None, audiocodes: AudioCodes | None) -> Mapping[Platform, str]:
    """Where each platform that is configured dials us; its other paths lie below."""
    bases: dict[Platform, str] = {}
    if twilio is not None:
        bases["twilio"] = twilio.path
    if audiocodes is not None:
        bases["audiocodes"] = audiocodes.path
    return bases


def route_doubts(config: Config) -> list[str]:
    """Agents that no call reaches, and a default that nobody has described."""
    routes = config.routes
    names = [*routes.bots.values(), *routes.paths.values(), *routes.numbers.values(), routes.default]
    used = {*names, *(agent for agents in routes.parameters.values() for agent in agents.values())}
    told = [
        f"no call reaches the agent {shown(agent.name)}: nothing under [routes] leads to it"
        for agent in config.agents
        if agent.name not in used
    ]
    if config.agents and DEFAULT_AGENT in used and config.agent == Agent():
        told.append(
            "some calls reach the agent of [agent], which says nothing; routes.default says who gets the others"
        )
    return told


def number_problems(numbers: Names) -> Iterator[str]:
    """Numbers that are none, and two that are the same however they are written."""
    written: dict[str, str] = {}
    for number in numbers:
        plain, place = plain_number(number), f"routes.numbers.{shown(number)}"
        if not plain:
            yield f"`numbers` has {shown(number)}, which nobody can dial, at {place}"
        elif plain in written:
            yield f"`numbers` has {shown(number)}, which is {shown(written[plain])} in other words, at {place}"
        written.setdefault(plain, number)


def path_problems(paths: Collection[str], bases: Mapping[Platform, str]) -> Iterator[str]:
    """Paths that no platform can dial, or that something else is at."""
    taken = {base: f"{platform}.path" for platform, base in bases.items()}
    if "twilio" in bases:
        taken[VOICE_PATH] = "the webhook of twilio.path"
    for path in paths:
        place = f"routes.paths.{shown(path)}"
        try:
            path_on_this_server(path)
        except WrongValue as wrong:
            yield f"`paths` has a path that {wrong}, at {place}"
            continue
        home = platform_at(path, bases)
        if home is None:
            yield f"`paths` has {shown(path)}, which is not below {_places(bases)}{_media_of(path, bases)}, at {place}"
        elif path not in bases.values():
            for each, what in _served(path, home, bases).items():
                if each in taken:
                    yield f"`paths` has {shown(path)}, and {shown(each)} is {taken[each]}, at {place}"
                taken.setdefault(each, what)


def _served(path: str, home: Platform, bases: Mapping[Platform, str]) -> Mapping[str, str]:
    """What the daemon answers for the sake of a path."""
    if home != "twilio":
        return {path: "another path of [routes]"}
    webhook = webhook_of(path, bases["twilio"])
    return {path: "another path of [routes]", webhook: f"the webhook of {shown(path)}"}


def _places(bases: Mapping[Platform, str]) -> str:
    return " or ".join(f"{platform}.path ({shown(base)})" for platform, base in bases.items())


def _media_of(path: str, bases: Mapping[Platform, str]) -> str:
    """What was meant by a webhook's path."""
    if "twilio" not in bases or not path.startswith(f"{VOICE_PATH}/"):
        return ""
    return f": did you mean {shown(bases['twilio'] + path.removeprefix(VOICE_PATH))}, which that webhook leads to?"
