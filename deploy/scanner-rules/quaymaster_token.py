"""Plugin for detect-secrets: finds tokens of Quaymaster (internals/spec/tokens-v1.md)."""

import re

from detect_secrets.plugins.base import RegexBasedDetector


class QuaymasterTokenDetector(RegexBasedDetector):
    """A session of a workload (qms_), an operator's token (qmo_), a wrapping token (qmw_) or a code of an enrolment (qme_)."""

    secret_type = "Quaymaster Token"
    denylist = [re.compile(r"\bqm[esow]_[0-9A-Za-z]{49}\b")]
