/** One entry and its place. */
export interface SyslogEntry {
  readonly origin: string;
  readonly index: number;
  /** ASCII, as in the log. */
  readonly entry: string;
  /** The entry in the format of the sink. */
  readonly text: string;
  /** Host name of the broker that sends the message. */
  readonly host: string;
}

/** RFC 5424 section 6.2.1: "log audit". */
const FACILITY = 13;
const INFORMATIONAL = 6;
const SEVERITIES: Readonly<Record<string, number>> = { ok: INFORMATIONAL, deny: 4, error: 3 };
/** RFC 5612: the enterprise number of documents and examples, because the project has none of its own. */
const SD_ID = 'quaymaster@32473';
const NIL = '-';
const LONGEST_HOST = 255;
const LONGEST_PROCESS = 128;
const LONGEST_MESSAGE_ID = 32;
const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z$/;

/** A syslog message (RFC 5424) behind its length in octets and a space (RFC 6587 section 3.4.1, RFC 5425 section 4.3). */
export function syslogFrame(sent: SyslogEntry): Buffer {
  const message = Buffer.from(syslogMessage(sent));
  return Buffer.concat([Buffer.from(`${message.length} `), message]);
}

function syslogMessage({ origin, index, entry, text, host }: SyslogEntry): string {
  const facts = JSON.parse(entry) as Readonly<Record<string, unknown>>;
  const { time, outcome, writer, action } = facts;
  const known = typeof outcome === 'string' && Object.hasOwn(SEVERITIES, outcome);
  const severity = (known ? SEVERITIES[outcome] : undefined) ?? INFORMATIONAL;
  const header = [
    `<${FACILITY * 8 + severity}>1`,
    typeof time === 'string' && TIMESTAMP.test(time) ? time : NIL,
    headerField(host, LONGEST_HOST),
    'quaymaster',
    headerField(writer, LONGEST_PROCESS),
    headerField(action, LONGEST_MESSAGE_ID),
  ];
  const data = `[${SD_ID} index="${index}" origin="${escapeParameter(origin)}"]`;
  return `${header.join(' ')} ${data} ${text}`;
}

/** RFC 5424 section 6: printable ASCII without a space, of limited length. */
function headerField(value: unknown, longest: number): string {
  const text =
    typeof value === 'string' ? value.replaceAll(/[^\x21-\x7e]/g, '').slice(0, longest) : '';
  return text === '' ? NIL : text;
}

/** RFC 5424 section 6.3.3: a backslash before a quotation mark, a backslash and a closing bracket, and before nothing else. */
export function escapeParameter(value: string): string {
  return value.replaceAll(/["\\\]]/g, (character) => `\\${character}`);
}
