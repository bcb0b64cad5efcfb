import json


def test_it_says_what_repeats_and_what_caches_could_do(run, trace_file):
    found = json.loads(run("usage", "report", trace_file, "--json").stdout)
    assert found["requests"] == 2000
    assert 0 < found["own"] < found["anybody"] < 1
    assert sum(owner["requests"] for owner in found["owners"]) == 2000
    for room in found["rooms"]:
        assert set(room["hit_rates"]) == {"lru", "gdsf", "s3fifo"}
        assert max(room["hit_rates"].values()) <= room["best_offline"] <= room["bound"]
    text = run("usage", "report", trace_file).stdout
    for word in ("2,000 requests", "who asks most", "belady", "bound: no policy has more hits"):
        assert word in " ".join(text.split())
