"""What stations in the field send, as raw frames: one row per habit that a central system must survive.

Each frame must be answered with a CALLRESULT unless ``error`` names the CALLERROR, and must lead to the facts named.
``@TX`` stands for the transaction id that the hub gave to the row's own start, ``@NOW`` for the time.
"""

from dataclasses import dataclass, field

START = '[2,"s","StartTransaction",{"connectorId":1,"idTag":"TAG","meterStart":100,"timestamp":"@NOW"}]'
METER = '{"timestamp":"@NOW","sampledValue":[{"value":"200"}]}'


@dataclass(frozen=True)
class Quirk:
    name: str
    frames: tuple[str, ...]
    facts: dict[str, int] = field(default_factory=dict)
    """How many of each message class, besides StationConnected and StationBooted."""
    error: str | None = None
    """CALLERROR code of the last frame."""
    mended: str | None = None
    """A deviation that is counted."""


QUIRKS = (
    Quirk(
        "a number where a meter value is a string",
        (
            f"{START}",
            '[2,"1","MeterValues",{"connectorId":1,"transactionId":@TX,"meterValue":[{"timestamp":"@NOW","sampledValue":[{"value":0.0}]}]}]',
        ),
        {"TransactionStarted": 1, "MeterValuesTaken": 1},
        mended="mended: type",
    ),
    Quirk(
        "strings where integers belong",
        ('[2,"s","StartTransaction",{"connectorId":"1","idTag":"TAG","meterStart":"100","timestamp":"@NOW"}]',),
        {"TransactionStarted": 1},
        mended="mended: type",
    ),
    Quirk(
        "a register with a fraction",
        ('[2,"s","StartTransaction",{"connectorId":1,"idTag":"TAG","meterStart":100.0,"timestamp":"@NOW"}]',),
        {"TransactionStarted": 1},
    ),
    Quirk(
        "a number as a tag",
        ('[2,"s","StartTransaction",{"connectorId":1,"idTag":12345678,"meterStart":100,"timestamp":"@NOW"}]',),
        {"TransactionStarted": 1},
        mended="mended: type",
    ),
    Quirk(
        "an object where a list belongs",
        (START, f'[2,"1","MeterValues",{{"connectorId":1,"transactionId":@TX,"meterValue":{METER}}}]'),
        {"TransactionStarted": 1, "MeterValuesTaken": 1},
        mended="mended: single",
    ),
    Quirk(
        "an empty sampledValue",
        (
            START,
            '[2,"1","MeterValues",{"connectorId":1,"transactionId":@TX,"meterValue":[{"timestamp":"@NOW","sampledValue":[]}]}]',
        ),
        {"TransactionStarted": 1},
        mended="mended: hollow",
    ),
    Quirk(
        "an empty meterValue",
        (START, '[2,"1","MeterValues",{"connectorId":1,"transactionId":@TX,"meterValue":[]}]'),
        {"TransactionStarted": 1},
        mended="not strict",
    ),
    Quirk(
        "a sample without a value beside a good one",
        (
            START,
            '[2,"1","MeterValues",{"connectorId":1,"transactionId":@TX,"meterValue":[{"timestamp":"@NOW","sampledValue":[{"unit":"Wh"},{"value":"7"}]}]}]',
        ),
        {"TransactionStarted": 1, "MeterValuesTaken": 1},
        mended="mended: hollow",
    ),
    Quirk(
        "broken JSON in a list",
        ('[2,"1","MeterValues",{"connectorId":1,"meterValue":[{"sampledValue":[,{"value":"1"}]}]}]',),
        error="FormationViolation",
        mended="unreadable",
    ),
    Quirk(
        "broken JSON: a key without a value",
        ('[2,"1","StopTransaction",{"transactionId":,"meterStop":5}]',),
        error="FormationViolation",
        mended="unreadable",
    ),
    Quirk(
        "a serial number of 34 characters and an empty vendor",
        (
            '[2,"1","BootNotification",{"chargePointVendor":"","chargePointModel":"M",'
            f'"chargePointSerialNumber":"{"9" * 34}"}}]',
        ),
        {"StationBooted": 1},
        mended="mended: length",
    ),
    Quirk(
        "a boot without a vendor",
        ('[2,"1","BootNotification",{"chargePointModel":"M"}]',),
        {"StationBooted": 1},
        mended="mended: missing",
    ),
    Quirk(
        "null in optional fields",
        (
            '[2,"1","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available","info":null,"vendorId":""}]',
        ),
        {"ConnectorStatusChanged": 1},
        mended="mended: null",
    ),
    Quirk(
        "unknown extra fields",
        ('[2,"1","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available","cpoId":"x"}]',),
        {"ConnectorStatusChanged": 1},
        mended="mended: unknown",
    ),
    Quirk(
        "an error code that is not in the list",
        ('[2,"1","StatusNotification",{"connectorId":1,"errorCode":"Error","status":"Available"}]',),
        {"ConnectorStatusChanged": 1, "StationFaultReported": 1},
        mended="mended: word",
    ),
    Quirk(
        "words in the wrong case, fields too",
        ('[2,"1","StatusNotification",{"ConnectorID":1,"errorCode":"noerror","status":"AVAILABLE"}]',),
        {"ConnectorStatusChanged": 1},
        mended="mended: spelling",
    ),
    Quirk(
        "no error code",
        ('[2,"1","StatusNotification",{"connectorId":1,"status":"Available"}]',),
        {"ConnectorStatusChanged": 1},
        mended="mended: missing",
    ),
    Quirk(
        "connector 0 is the station",
        ('[2,"1","StatusNotification",{"connectorId":0,"errorCode":"NoError","status":"Unavailable"}]',),
        {"ConnectorStatusChanged": 1},
    ),
    Quirk(
        "a unit and a context that are not in the list",
        (
            START,
            '[2,"1","MeterValues",{"connectorId":1,"transactionId":@TX,"meterValue":[{"timestamp":"@NOW","sampledValue":[{"value":"50","unit":"Hz","measurand":"Frequency","context":"Sample"},{"value":"7"}]}]}]',
        ),
        {"TransactionStarted": 1, "MeterValuesTaken": 1},
        mended="mended: word",
    ),
    Quirk(
        "1970 before the clock is set",
        (
            '[2,"s","StartTransaction",{"connectorId":1,"idTag":"TAG","meterStart":100,"timestamp":"1970-01-01T00:00:09Z"}]',
        ),
        {"TransactionStarted": 1},
        mended="clock not set",
    ),
    Quirk(
        "an absurd year",
        (
            '[2,"s","StartTransaction",{"connectorId":1,"idTag":"TAG","meterStart":100,"timestamp":"222222017-01-01T00:00:00Z"}]',
        ),
        {"TransactionStarted": 1},
        mended="clock not set",
    ),
    Quirk(
        "a time without zone and with seven decimals",
        (
            '[2,"s","StartTransaction",{"connectorId":1,"idTag":"TAG","meterStart":100,"timestamp":"2026-01-01T00:00:00.1234567"}]',
        ),
        {"TransactionStarted": 1},
    ),
    Quirk(
        "a short offset",
        (
            '[2,"s","StartTransaction",{"connectorId":1,"idTag":"TAG","meterStart":100,"timestamp":"2026-01-01T00:00:00+03"}]',
        ),
        {"TransactionStarted": 1},
    ),
    Quirk(
        "the same start again",
        (START, START.replace('"s"', '"t"'), START.replace('"s"', '"u"')),
        {"TransactionStarted": 1},
        mended="repeated start",
    ),
    Quirk(
        "a stop several times, the times differ a little",
        (
            START,
            '[2,"1","StopTransaction",{"transactionId":@TX,"meterStop":300,"timestamp":"2026-11-20T10:00:00Z"}]',
            '[2,"2","StopTransaction",{"transactionId":@TX,"meterStop":300,"timestamp":"2026-11-20T10:00:01Z"}]',
        ),
        {"TransactionStarted": 1, "TransactionEnded": 1},
        mended="repeated stop",
    ),
    Quirk(
        "a stop for an id we never gave",
        ('[2,"1","StopTransaction",{"transactionId":77,"meterStop":300,"timestamp":"@NOW"}]',),
        {"TransactionEnded": 1},
        mended="stop of an unknown transaction",
    ),
    Quirk(
        "a stop with -1 after a lost answer",
        (START, '[2,"1","StopTransaction",{"transactionId":-1,"meterStop":300,"timestamp":"@NOW","idTag":"tag"}]'),
        {"TransactionStarted": 1, "TransactionEnded": 1},
    ),
    Quirk(
        "a stop without a tag and with null data",
        (
            START,
            '[2,"1","StopTransaction",{"transactionId":@TX,"meterStop":300,"timestamp":"@NOW","idTag":null,"transactionData":null}]',
        ),
        {"TransactionStarted": 1, "TransactionEnded": 1},
        mended="mended: null",
    ),
    Quirk(
        "a stop with all its meter values",
        (
            START,
            '[2,"1","StopTransaction",{"transactionId":@TX,"meterStop":300,"timestamp":"@NOW",'
            f'"transactionData":[{",".join([METER] * 2000)}]}}]',
        ),
        {"TransactionStarted": 1, "MeterValuesTaken": 1, "TransactionEnded": 1},
    ),
    Quirk(
        "meter values of an unknown transaction",
        (f'[2,"1","MeterValues",{{"connectorId":1,"transactionId":4711,"meterValue":[{METER}]}}]',),
        {"MeterValuesTaken": 1},
        mended="meter values of no open transaction",
    ),
    Quirk(
        "meter values with transaction 0",
        (START, f'[2,"1","MeterValues",{{"connectorId":1,"transactionId":0,"meterValue":[{METER}]}}]'),
        {"TransactionStarted": 1, "MeterValuesTaken": 1},
    ),
    Quirk(
        "meter values with transaction 2^63-1",
        (
            START,
            f'[2,"1","MeterValues",{{"connectorId":1,"transactionId":9223372036854775807,"meterValue":[{METER}]}}]',
        ),
        {"TransactionStarted": 1, "MeterValuesTaken": 1},
    ),
    Quirk(
        "meter values with a transaction beyond 64 bits",
        (
            START,
            f'[2,"1","MeterValues",{{"connectorId":1,"transactionId":92233720368547758079,"meterValue":[{METER}]}}]',
        ),
        {"TransactionStarted": 1, "MeterValuesTaken": 1},
    ),
    Quirk(
        "meter values after the stop",
        (
            START,
            '[2,"1","StopTransaction",{"transactionId":@TX,"meterStop":300,"timestamp":"@NOW"}]',
            f'[2,"2","MeterValues",{{"connectorId":1,"transactionId":@TX,"meterValue":[{METER}]}}]',
        ),
        {"TransactionStarted": 1, "TransactionEnded": 1, "MeterValuesTaken": 1},
    ),
    Quirk(
        "a second start on a connector, the first never ended",
        (START, START.replace('"s"', '"t"').replace('"meterStart":100', '"meterStart":150')),
        {"TransactionStarted": 2},
    ),
    Quirk(
        "meter values before the start",
        (f'[2,"1","MeterValues",{{"connectorId":1,"meterValue":[{METER}]}}]', START),
        {"TransactionStarted": 1, "MeterValuesTaken": 1},
    ),
    Quirk(
        "negative ids of its own for a whole session",
        (
            START,
            f'[2,"1","MeterValues",{{"connectorId":1,"transactionId":-17,"meterValue":[{METER}]}}]',
            '[2,"2","StopTransaction",{"transactionId":-17,"meterStop":300,"timestamp":"@NOW"}]',
        ),
        {"TransactionStarted": 1, "MeterValuesTaken": 1, "TransactionEnded": 1},
        mended="transaction unknown to the station",
    ),
    Quirk(
        "a stop with another tag than the start",
        (START, '[2,"1","StopTransaction",{"transactionId":@TX,"meterStop":300,"timestamp":"@NOW","idTag":"OTHER"}]'),
        {"TransactionStarted": 1, "TransactionEnded": 1},
    ),
    Quirk(
        "meterStop below meterStart",
        (START, '[2,"1","StopTransaction",{"transactionId":@TX,"meterStop":3,"timestamp":"@NOW"}]'),
        {"TransactionStarted": 1, "TransactionEnded": 1},
    ),
    Quirk(
        "an empty tag",
        ('[2,"s","StartTransaction",{"connectorId":1,"idTag":"","meterStart":100,"timestamp":"@NOW"}]',),
        {"TransactionStarted": 1},
    ),
    Quirk(
        "a tag of 30 characters",
        (f'[2,"s","StartTransaction",{{"connectorId":1,"idTag":"{"A" * 30}","meterStart":100,"timestamp":"@NOW"}}]',),
        {"TransactionStarted": 1},
        mended="mended: length",
    ),
    Quirk("no payload at all", ('[2,"1","Heartbeat"]',), mended="frame: elements"),
    Quirk("a null payload", ('[2,"1","Heartbeat",null]',), mended="frame: payload"),
    Quirk("the message type as a string", ('["2","1","Heartbeat",{}]',), mended="frame: type"),
    Quirk("a number as message id", ('[2,1,"Heartbeat",{}]',), mended="frame: id"),
    Quirk("a NUL after the frame", ('[2,"1","Heartbeat",{}]\x00',), mended="frame: json"),
    Quirk(
        "a raw line break in a string",
        ('[2,"1","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available","info":"a\nb"}]',),
        {"ConnectorStatusChanged": 1},
        mended="frame: json",
    ),
    Quirk(
        "a vendor's DataTransfer",
        ('[2,"1","DataTransfer",{"vendorId":"com.example","messageId":"x","data":"{}"}]',),
        {"VendorDataReceived": 1},
    ),
    Quirk(
        "a firmware status",
        ('[2,"1","FirmwareStatusNotification",{"status":"Idle"}]',),
        {"FirmwareStatusReported": 1},
    ),
    Quirk(
        "a diagnostics status", ('[2,"1","DiagnosticsStatusNotification",{"status":"Idle"}]',), {"LogStatusReported": 1}
    ),
    Quirk(
        "a security event",
        ('[2,"1","SecurityEventNotification",{"type":"TamperDetectionActivated","timestamp":"@NOW"}]',),
        {"SecurityEventReported": 1},
    ),
    Quirk("an action of another version", ('[2,"1","TransactionEvent",{}]',), error="NotImplemented"),
    Quirk("an action of ours", ('[2,"1","Reset",{"type":"Hard"}]',), error="NotSupported"),
    Quirk("a list as payload", ('[2,"1","Authorize",["TAG"]]',), error="TypeConstraintViolation", mended="unusable"),
    Quirk("an object as tag", ('[2,"1","Authorize",{"idTag":{"a":1}}]',), error="TypeConstraintViolation"),
    Quirk(
        "a status without a status",
        ('[2,"1","StatusNotification",{"connectorId":1}]',),
        error="OccurenceConstraintViolation",
    ),
    Quirk(
        "a stop without a register",
        (START, '[2,"1","StopTransaction",{"transactionId":@TX,"timestamp":"@NOW"}]'),
        {"TransactionStarted": 1, "StationMessageRejected": 1},
        mended="unusable",
    ),
    Quirk(
        "a start on an object",
        ('[2,"s","StartTransaction",{"connectorId":{},"idTag":"TAG","meterStart":100,"timestamp":"@NOW"}]',),
        {"StationMessageRejected": 1},
        mended="unusable",
    ),
    Quirk(
        "a negative register",
        ('[2,"s","StartTransaction",{"connectorId":1,"idTag":"TAG","meterStart":-5,"timestamp":"@NOW"}]',),
        {"StationMessageRejected": 1},
        mended="unusable",
    ),
)
