"""The local Climate Data Store in a process of its own, beside the one that may be killed."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.chaos.processes import end_with_parent
from tests.climate_data_store.faults import Fault
from tests.climate_data_store.server import ClimateDataStore

__all__ = ["Store", "serving_store"]


class Store:
    """What the campaign asks the store's process.

    Attributes:
        url: address for `cdsapi`.
    """

    def __init__(self, url: str, questions: int, answers: int) -> None:
        self.url = url
        self._questions, self._answers = questions, answers

    def num_submissions(self) -> int:
        """Give the number of jobs that were submitted so far."""
        os.write(self._questions, b"?")
        return int(os.read(self._answers, 32))


@contextmanager
def serving_store(faults: Sequence[Fault] = (), *, job_seconds: float = 0.05) -> Iterator[Store]:
    """Serve in a forked process until the block ends, and let `cdsapi` find it."""
    question_out, question_in = os.pipe()
    answer_out, answer_in = os.pipe()
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        os.close(question_in)
        os.close(answer_out)
        _serve(faults, job_seconds, question_out, answer_in)
    os.close(question_out)
    os.close(answer_in)
    before = {name: os.environ.get(name) for name in ("CDSAPI_URL", "CDSAPI_KEY", "NO_PROXY")}
    try:
        url, key = os.read(answer_out, 4096).decode().split()
        os.environ |= {"CDSAPI_URL": url, "CDSAPI_KEY": key, "NO_PROXY": "127.0.0.1"}
        yield Store(url, question_in, answer_out)
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(question_in)
        os.close(answer_out)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _serve(faults: Sequence[Fault], job_seconds: float, questions: int, answers: int) -> None:
    """Be the server."""
    try:
        end_with_parent()
        os.setpgid(0, 0)
        store = ClimateDataStore(faults=faults, job_seconds=job_seconds)
        with store:
            os.write(answers, f"{store.url} {store.key}".encode())
            while os.read(questions, 1):
                os.write(answers, str(len(store.submissions)).encode())
    finally:
        os._exit(0)
