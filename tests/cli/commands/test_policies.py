import json

from evocache.policies import POLICIES


def test_every_policy_is_listed_with_its_usage_and_paper(run):
    text = run("policies").stdout
    for policy in POLICIES.values():
        assert policy.usage in text
    assert "arXiv 2407.01425" in text


def test_json(run):
    rows = json.loads(run("policies", "--json").stdout)
    assert [row["name"] for row in rows] == list(POLICIES)
    assert all(set(row) == {"name", "usage", "summary", "paper"} for row in rows)
