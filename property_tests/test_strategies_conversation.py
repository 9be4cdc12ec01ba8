"""The strategies of conversations find what they are for."""

from itertools import pairwise

from hypothesis import find, given

from opusagent.realtime.events import ConversationItemDone
from property_tests.strategies_conversation import Conversation, conversations


def kinds(conversation: Conversation) -> list[str]:
    """What the items are, in order."""
    done = [told.event for told in conversation.told if isinstance(told.event, ConversationItemDone)]
    return [f"{event.item.type} {event.item.role}" for event in done]


@given(conversations())
def test_every_item_is_announced_behind_the_one_before_it(conversation: Conversation) -> None:
    chain = {
        told.event.item.id: told.event.previous_item_id
        for told in conversation.told
        if isinstance(told.event, ConversationItemDone)
    }
    assert list(chain) == list(conversation.items)
    assert all(chain[item] == previous for previous, item in pairwise(conversation.items))


def test_there_are_conversations_of_all_kinds() -> None:
    find(conversations(), lambda found: not found.items)
    find(conversations(), lambda found: {"message user", "message assistant", "function_call None"} <= {*kinds(found)})
    find(conversations(), lambda found: kinds(found)[:3] == ["message user", "message assistant", "message user"])
    find(conversations(), lambda found: list(found.items) != sorted(found.items))
