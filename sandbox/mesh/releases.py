"""How a workload behaves now: its profile, and how long its release has had traffic."""

from __future__ import annotations

from sandbox.mesh.scenario import Host, Profile, Scenario, ScenarioError
from sandbox.mesh.world import PROFILE_ANNOTATION, Snapshot, Workload


class Releases:
    """The profile in force for each release, and when the release first had traffic."""

    def __init__(self, scenario: Scenario) -> None:
        """No release has had traffic."""
        self._profiles = scenario.profiles
        self._since: dict[tuple[str, str, str], float] = {}

    def forget_stopped(self, snapshot: Snapshot) -> None:
        """Forget releases without ready pods: deployed again, they begin anew."""
        running = snapshot.running()
        self._since = {key: at for key, at in self._since.items() if key in running}

    def behaviour(self, host: Host, workload: Workload, now: float) -> Profile:
        """The profile of `workload` for traffic of `host` arriving at `now` (seconds).

        Raises ScenarioError when the pod template names a profile the scenario does not have.
        """
        key = (workload.namespace, workload.name, workload.release)
        since = self._since.setdefault(key, now)
        return self._profile(host, workload).at(now - since)

    def _profile(self, host: Host, workload: Workload) -> Profile:
        if workload.profile is None:
            return self._profiles[host.releases.get(workload.release, host.default_profile)]
        if workload.profile not in self._profiles:
            allowed = ", ".join(sorted(self._profiles))
            raise ScenarioError(
                f"deployment {workload.namespace}/{workload.name}: annotation {PROFILE_ANNOTATION} "
                f"is {workload.profile!r}, allowed are: {allowed}"
            )
        return self._profiles[workload.profile]
