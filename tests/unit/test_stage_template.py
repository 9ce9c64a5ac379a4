"""Parameters and intrinsic functions of templates, as CloudFormation has them."""

from pathlib import Path
from typing import Any

import pytest

from prestage.stage.template import Intrinsics, Template, TemplateError, load, parameter_values, parse

TEMPLATE = Path(__file__).parents[2] / "template.yaml"

PARAMETERS: Template = {
    "Resources": {},
    "Parameters": {
        "Word": {"Type": "String", "Default": "a", "AllowedPattern": "^[a-z]+$"},
        "Days": {"Type": "Number", "Default": 3, "MinValue": 1, "MaxValue": 5},
        "Kind": {"Type": "String", "Default": "x", "AllowedValues": ["x", "y"]},
        "Flag": {"Type": "String", "Default": True},
    },
}


def test_parameters_have_their_defaults_as_text() -> None:
    assert parameter_values(PARAMETERS, {"Kind": "y"}) == {"Word": "a", "Days": "3", "Kind": "y", "Flag": "true"}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"Wrod": "a"}, "no parameter Wrod"),
        ({"Word": "A"}, "Word must match"),
        ({"Word": "a\n"}, "Word must match"),
        ({"Days": "six"}, "Days is a number"),
        ({"Days": "6"}, "Days lies from 1 to 5"),
        ({"Kind": "z"}, "Kind is one of x, y"),
    ],
)
def test_parameters_that_cloudformation_would_refuse_are_refused(given: dict[str, str], problem: str) -> None:
    with pytest.raises(TemplateError, match=problem):
        parameter_values(PARAMETERS, given)


def test_a_parameter_without_default_needs_a_value() -> None:
    with pytest.raises(TemplateError, match="Needed needs a value"):
        parameter_values({"Parameters": {"Needed": {"Type": "String"}}}, {})


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("GitHubApiUrl", "http://127.0.0.1:8081", "http://api.github.com"),
        ("GitHubApiUrl", "https://github.example.com/api/v3", "https://github.example.com/api/v3/"),
        ("PreviewAddress", "http://{fly_app}.fly.localhost:4280", "http://{fly_app}.fly.dev"),
        ("PreviewAddress", "https://{fly_app}.previews.example.com", "https://previews.example.com"),
        ("FlyAppPrefix", "acme-1", "1-acme"),
        ("LogAddress", "http://127.0.0.1:4280/logs/{fly_app}", "http://logs.example.com/{fly_app}"),
        ("LogAddress", "https://logs.example.com/explore?app={fly_app}", "https://logs.example.com/{fly_app}/{app}"),
        ("LogAddress", "https://fly.io/apps/{fly_app}", "https://fly.io/apps"),
    ],
)
def test_the_parameters_of_the_template_take_what_is_safe(name: str, good: str, bad: str) -> None:
    template = load(TEMPLATE)
    assert parameter_values(template, {name: good})[name] == good
    with pytest.raises(TemplateError, match=f"{name} must match"):
        parameter_values(template, {name: bad})


CONDITIONS = {
    "Same": {"Fn::Equals": [{"Ref": "Word"}, "a"]},
    "Other": {"Fn::Not": [{"Condition": "Same"}]},
    "Both": {"Fn::And": [{"Condition": "Same"}, {"Condition": "Other"}]},
    "Either": {"Fn::Or": [{"Condition": "Other"}, {"Condition": "Same"}]},
    "Flag": {"Fn::Equals": ["true", True]},
}


def resolver() -> Intrinsics:
    values = {"Word": "a", "AWS::Region": "us-east-1", "List": "x,y"}
    return Intrinsics(values, CONDITIONS, lambda resource, attribute: f"<{resource} {attribute}>")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("!Ref Word", "a"),
        ("!Ref Queue", "<Queue None>"),
        ("!GetAtt Queue.Arn", "<Queue Arn>"),
        ("!GetAtt [Stack, Outputs.Url]", "<Stack Outputs.Url>"),
        ("{ Fn::GetAtt: Stack.Outputs.Url }", "<Stack Outputs.Url>"),
        ('!Sub "${Word}/${Queue.Arn}/${AWS::Region}/${!Word}"', "a/<Queue Arn>/us-east-1/${Word}"),
        ('!Sub ["${Own}-${Word}", { Own: !GetAtt Queue.Arn }]', "<Queue Arn>-a"),
        ('!Join ["-", [!Ref Word, 1, !Ref AWS::NoValue, true]]', "a-1-true"),
        ('!Select [1, !Split [",", !Ref List]]', "y"),
        ("!If [Same, !Ref Word, other]", "a"),
        ("!If [Both, one, !If [Either, two, three]]", "two"),
        ("!If [Flag, one, two]", "one"),
        ("{ kept: !If [Other, 1, !Ref AWS::NoValue], list: [!Ref AWS::NoValue, 2] }", {"list": [2]}),
        ("{ Condition: { StringEquals: { a: !Ref Word } } }", {"Condition": {"StringEquals": {"a": "a"}}}),
    ],
)
def test_intrinsic_functions_mean_what_they_mean_to_cloudformation(written: str, meant: Any) -> None:
    value = parse(f"Resources: {{ Value: {written} }}")["Resources"]["Value"]
    assert resolver().resolve(value) == meant


def test_an_unknown_intrinsic_function_is_refused() -> None:
    with pytest.raises(TemplateError, match="Fn::ImportValue is not resolved here"):
        resolver().resolve({"a": [{"Fn::ImportValue": "b"}]})


def test_an_unknown_condition_is_refused() -> None:
    with pytest.raises(TemplateError, match="no condition Maybe"):
        resolver().resolve({"Fn::If": ["Maybe", 1, 2]})


def test_a_document_that_is_no_template_is_refused() -> None:
    with pytest.raises(TemplateError, match="has Resources"):
        parse("- a\n- b\n")
