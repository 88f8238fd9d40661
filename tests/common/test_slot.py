from hsuanwu.common.slot import Activity


def test_activities_index_the_seconds_of_a_slot():
    assert [activity.value for activity in Activity] == list(range(len(Activity)))
    assert [activity.name for activity in Activity] == ["ENVIRONMENT", "INFERENCE", "WAITING", "TRANSPORT"]
