"""How processes of the service log: lines for people in a terminal, JSON otherwise."""

import logging
import sys

import structlog


def configure_logging(level: str = "INFO") -> None:
    """To standard error. Tracebacks without local variables: those hold tokens, and printing them takes seconds in
    which the process does nothing else."""
    is_terminal = sys.stderr.isatty()
    people = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if is_terminal else [structlog.processors.format_exc_info]),
            people if is_terminal else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        # Looked up at each line: whoever redirects the stream later is obeyed
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
