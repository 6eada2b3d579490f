"""Arguments made of a schema: likely to fit, drawn from what is there, and of every kind a schema can say."""

from __future__ import annotations

from random import Random

from jsonschema import Draft202012Validator

from gateway.certify.arguments import Finds, arguments
from gateway.core.model import JsonObject

SCHEMA: JsonObject = {
    "type": "object",
    "description": "Set a ticket to open or closed.",
    "properties": {
        "ticket_id": {"type": "integer"},
        "status": {"type": "string"},
        "who": {"$ref": "#/$defs/person"},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["ticket_id", "status", "tags"],
    "$defs": {
        "person": {
            "type": "object",
            "properties": {"name": {"type": "string"}},
            "required": ["name"],
        }
    },
}


def made(finds: Finds, many: int = 200) -> list[JsonObject]:
    rng = Random(7)
    return [arguments(SCHEMA, finds, rng) for _ in range(many)]


def test_they_fit_the_schema() -> None:
    check = Draft202012Validator(SCHEMA)
    assert all(check.is_valid(each) for each in made(Finds()))


def test_what_is_there_now_comes_before_what_was_there_once() -> None:
    finds = Finds()
    finds.note("tickets/3", {"title": "old"})
    finds.turn()
    finds.note("tickets/41", {"title": "new"})
    tried = [each["ticket_id"] for each in made(finds)]
    assert tried.count(41) > 120
    assert tried.count(3) < 20


def test_a_records_own_id_is_what_others_call_by_its_table() -> None:
    finds = Finds()
    finds.note("list_tickets", {"tickets": [{"id": 52, "title": "x"}]})
    assert [each["ticket_id"] for each in made(finds)].count(52) > 100


def test_words_of_a_description_and_what_worked_are_tried() -> None:
    finds = Finds()
    assert {"open", "closed"} <= {each["status"] for each in made(finds)}
    finds.learn({"status": "pending"})
    assert [each["status"] for each in made(finds)].count("pending") > 80


def test_what_a_person_told_is_tried_whatever_worked_since() -> None:
    finds = Finds()
    finds.tell("status", "open")
    finds.tell("ticket_id", "8")
    finds.turn()
    finds.note("tickets/41", {"status": "closed"})
    finds.learn({"status": "pending", "ticket_id": 41})
    tried = made(finds)
    assert [each["status"] for each in tried].count("open") > 30
    assert [each["ticket_id"] for each in tried].count(8) > 30
