import os

from hiss.folders import folder_state


def test_a_file_added_changed_or_lost_is_seen_and_nothing_else(tmp_path):
    deep = tmp_path / "301" / "2820"
    deep.mkdir(parents=True)
    (deep / "frame").write_text("a")
    first = folder_state(tmp_path)
    assert folder_state(tmp_path) == first
    (deep / "other").write_text("b")
    second = folder_state(tmp_path)
    assert second != first
    os.utime(deep / "other", ns=(1, 1))
    third = folder_state(tmp_path)
    assert third not in (first, second)
    (deep / "other").unlink()
    assert folder_state(tmp_path) == first


def test_a_broken_link_does_not_stop_it(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert folder_state(tmp_path)
