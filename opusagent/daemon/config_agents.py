"""`[agent]` and `[[agents]]`: who may answer. What an agent of `[[agents]]` does not say, `[agent]` says."""

from collections import Counter
from collections.abc import Collection, Iterator
from typing import Final

import attrs

from opusagent.daemon.config_errors import TableReader, suggestion
from opusagent.daemon.config_tables import Agent, NamedAgent
from opusagent.daemon.config_talk import INTERRUPTION, manner_problems
from opusagent.daemon.config_values import shown

MOST_AGENTS: Final = 200
"""Each is a value of labels in the metrics."""


@attrs.frozen
class Written:
    """An agent and where it is written. `own` are the keys that stand there; the others are `[agent]`'s."""

    place: str
    agent: Agent
    own: Collection[str]

    def says(self, *keys: str) -> bool:
        """Whether one of `keys` stands there: what is inherited is judged where it is written."""
        return bool(set(keys) & set(self.own))


@attrs.frozen
class Crew:
    """The agents of a configuration."""

    default: Agent
    named: tuple[NamedAgent, ...]
    names: tuple[str, ...]
    """As they are written: also those that are wrong."""
    _written: tuple[Written, ...]

    def problems(self, faulty: Collection[str], tools: Collection[str] | None, targets: Collection[str]) -> list[str]:
        """What contradicts itself. `tools` and `targets` are the names that there are; None: that is not known."""
        return [problem for each in self._written for problem in _problems(each, faulty, tools, targets)]


def read_agents(reader: TableReader) -> Crew:
    """All agents, as far as they are right; what is wrong is left with the `reader`."""
    default = reader.read("agent", Agent)
    entries = reader.entries("agents")
    named = tuple(reader.read_over("agent", place, table, NamedAgent) for place, table in entries)
    written = [Written(place, agent, table) for (place, table), agent in zip(entries, named, strict=True)]
    places = [(place, agent.name) for (place, _), agent in zip(entries, named, strict=True)]
    reader.problems += _name_problems(places, reader.faulty)
    names = tuple(name for _, table in entries if isinstance(name := table.get("name"), str))
    own = attrs.asdict(default, recurse=False)
    return Crew(default, named, names, (Written("agent", default, own), *written))


def _name_problems(names: list[tuple[str, str]], faulty: Collection[str]) -> Iterator[str]:
    counts: Counter[str] = Counter()
    for place, name in names:
        counts[name] += 1
        if not name and f"{place}.name" not in faulty:
            yield f"`name` is missing, at {place}.name"
        if name and counts[name] > 1:
            yield f"`name` must not be {shown(name)}, which another agent is called, at {place}.name"
    if len(names) > MOST_AGENTS:
        yield f"`agents` must be at most {MOST_AGENTS}, not {len(names)}, at the top level"


def _problems(
    written: Written, faulty: Collection[str], tools: Collection[str] | None, targets: Collection[str]
) -> Iterator[str]:
    place, agent = written.place, written.agent
    if written.says(*INTERRUPTION):
        yield from manner_problems(agent, faulty, place)
    if tools is None:
        return
    if written.says("keys"):
        yield from agent.keys.problems(targets, place)
    if written.says("tools"):
        yield from _tool_problems(agent.tools or (), tools, f"{place}.tools")


def _tool_problems(names: Collection[str], tools: Collection[str], place: str) -> Iterator[str]:
    for name, count in Counter(names).items():
        if name not in tools:
            yield f"`tools` names {shown(name)}{unknown(name, tools, 'tool')}, at {place}"
        if count > 1:
            yield f"`tools` names {shown(name)} {count} times, at {place}"


def unknown(name: str, known: Collection[str], what: str) -> str:
    """What was perhaps meant by a name that is not known.

    >>> unknown("slaes", ["sales"], "agent"), unknown("x", [], "tool")
    (', did you mean `sales`?', ', and there is no tool')
    """
    return suggestion(name, known) if known else f", and there is no {what}"
