import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWithProgram } from '../kit/backends/describe-with-program.ts';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';
import { findCanary } from '../kit/checks/find-canary.ts';
import { PythonClient } from '../kit/delivery/python-client.ts';
import { textOf } from '../kit/pages/tracked-files.ts';
import { CertificateAuthority } from '../kit/network/certificates.ts';
import { TlsFront } from '../kit/network/tls-front.ts';

const CANARY = 'canary-of-a-password';

const DENIED = {
  apiVersion: 'quaymaster.dev/v1',
  kind: 'AccessPolicy',
  metadata: { name: 'denied' },
  spec: {
    subjects: [{ clusters: ['c1'], namespaces: ['prod'], serviceAccounts: ['*'] }],
    rules: [{ effect: 'deny', paths: ['own/denied/**'], capabilities: ['read'] }],
  },
};

describeWithProgram('python3', 'the client for Python', (python) => {
  let broker: PreparedBroker;
  let client: PythonClient;
  let environment: Readonly<Record<string, string>>;

  beforeAll(async () => {
    client = await PythonClient.build(python);
    broker = await PreparedBroker.start({
      documents: {
        '/policies/denied': DENIED,
        '/mounts/short': { prefix: 'short', connection: 'embedded', leaseTtl: '15s' },
      },
      secrets: {
        'own/team/app/db': { user: 'app', password: CANARY },
        'own/denied/db': { password: CANARY },
        'short/db': { password: CANARY },
      },
    });
    await broker.logInEarly();
    environment = await environmentOf('pod.token', broker.serviceAccountToken());
  });
  afterAll(async () => {
    await broker.remove();
    await client.remove();
  });

  async function environmentOf(name: string, token: string): Promise<Record<string, string>> {
    const file = await broker.installation.write(name, `${token}\n`);
    return { URL: broker.installation.url, TOKEN_FILE: file };
  }

  async function change(path: string, password: string): Promise<void> {
    const { status } = await broker.installation.call('PUT', `/api/v1/secrets/${path}`, {
      token: broker.operator,
      body: { data: { password } },
    });
    expect(status).toBeLessThan(300);
  }

  async function endSession(line: string): Promise<void> {
    const body = { by: 'id', id: line.split(' ')[1], comment: 'test' };
    const answer = await broker.installation.call('POST', '/api/v1/sessions:end', {
      token: broker.operator,
      body,
    });
    expect(answer.status).toBe(200);
  }

  it('passes its own tests', async () => {
    expect(await client.unitTests()).toMatch(/^Ran [1-9]\d* tests[^]*\nOK\n$/m);
  });

  it('reads a nested path, a version and a batch of which one item is refused', async () => {
    await change('own/versions/db', 'first');
    await change('own/versions/db', 'second');
    const lines = await client.run(
      `
with session(user_agent="test/1") as s:
    secret = s.read("own/team/app/db")
    say(secret.path, secret.version, secret["password"].reveal() == "${CANARY}", secret.lease.is_live, secret.lease.ends_at > s.now())
    say(secret, secret["password"], secret.data)
    say(s.read("own/versions/db")["password"].reveal(), s.read("own/versions/db", version="1")["password"].reveal())
    reads = s.read_all(["own/team/app/db", "own/denied/db", "own/absent"])
    say(list(reads.secrets), [(path, error.code, error.status) for path, error in reads.failures.items()])
    say(reads["own/team/app/db"].version)
    try:
        reads["own/denied/db"]
    except ApiError as error:
        say(error.path, error.code)
`,
      environment,
    );
    expect(lines).toEqual([
      'own/team/app/db 1 True True True',
      expect.stringContaining("keys=['password', 'user']) [sensitive]"),
      'second first',
      "['own/team/app/db'] [('own/denied/db', 'ERR_DENIED', 403), ('own/absent', 'ERR_NOT_FOUND', 404)]",
      '1',
      'own/denied/db ERR_DENIED',
    ]);
    expect(findCanary(CANARY, { output: lines.join('\n') })).toEqual([]);
  });

  it('does what the first example of its page says', async () => {
    const front = await TlsFront.listen(Number(new URL(broker.installation.url).port));
    const [, example = ''] = /```python\n([^]*?)```/.exec(textOf('docs/client-python.md')) ?? [];
    const here = {
      'https://quaymaster.quaymaster.svc:8200': front.url,
      'prod-eu': 'c1',
      '/var/run/secrets/quaymaster/token': environment['TOKEN_FILE'] ?? '',
      '/var/run/secrets/quaymaster/ca.crt': await broker.installation.write('ca', front.caPem),
      'payments/db': 'own/team/app/db',
    };
    let program = example;
    for (const [there, ours] of Object.entries(here)) {
      expect(program).toContain(there);
      program = program.replaceAll(there, ours);
    }
    const connect = `
def connect(user, password):
    say(user, password == "${CANARY}")
    sys.exit()
`;
    expect(await client.run(connect + program, environment)).toEqual(['app True']);
    front.close();
  });

  it('passes on refusals with their code, status and request id', async () => {
    const lines = await client.run(
      `
with session() as s:
    for path, version in (("own/denied/db", None), ("own/absent", None), ("own/team/app/db", "9")):
        try:
            s.read(path, version)
        except ApiError as error:
            say(error.code, error.status, error.path, len(error.request_id) > 8, error.retry_after)
bad = session(token_file=None, token=lambda: "not.a.token")
try:
    bad.read("own/team/app/db")
except ApiError as error:
    say(error.code, error.status, "check the name of the cluster" in str(error))
`,
      environment,
    );
    expect(lines).toEqual([
      'ERR_DENIED 403 own/denied/db True None',
      'ERR_NOT_FOUND 404 own/absent True None',
      'ERR_NOT_FOUND 404 own/team/app/db True None',
      'ERR_TOKEN_INVALID 401 True',
    ]);
  });

  it('follows a change, acknowledges it and resumes after a restart of the broker', async () => {
    await change('own/followed', 'first');
    const lines = await client.run(
      `
with session() as s:
    for secret in s.follow(["own/followed"]):
        ask("version", secret.version, secret["password"].reveal())
        if secret.version == "3":
            break
    say("ended")
`,
      environment,
      async (line) => {
        if (line === 'version 1 first') await change('own/followed', 'second');
        if (line === 'version 2 second') {
          await broker.installation.stop();
          await broker.installation.start();
          await change('own/followed', 'third');
        }
      },
    );
    expect(lines).toEqual(['version 1 first', 'version 2 second', 'version 3 third', 'ended']);
    const entries = await broker.installation.call(
      'GET',
      '/api/v1/audit/entries?action=secret.acknowledge&pathPrefix=own/followed',
      { token: broker.operator },
    );
    expect(entries.json['items']).toMatchObject([
      { entry: { version: '2', outcome: 'ok' } },
      { entry: { version: '1', outcome: 'ok' } },
    ]);
  });

  it('waits for a broker that is down, within its deadline', async () => {
    const lines = await client.run(
      `
with session() as s:
    s.read("own/team/app/db")
    ask("stop")
    short = session(deadline=0.5)
    try:
        short.read("own/team/app/db")
    except UnreachableError as error:
        failure(error)
    say("start")
    say(s.read("own/team/app/db").version)
`,
      environment,
      async (line) => {
        if (line === 'stop') await broker.installation.stop();
        if (line === 'start') await broker.installation.start();
      },
    );
    expect(lines).toEqual(['stop', 'UnreachableError no_connection', 'start', '1']);
  });

  it('renews its session with the token that the file then has, and its leases', async () => {
    // Half a minute of the token is left: a busy machine takes seconds to start and to log in.
    const old = broker.serviceAccountToken({ at: Date.now() - 3_570_000 });
    const lines = await client.run(
      `
with session() as s:
    first, id, lease = s.ends_at, s.id, s.read("short/db").lease
    ends_at = lease.ends_at
    ask("read")
    while s.ends_at < first + 600 or lease.ends_at <= ends_at + 6:
        time.sleep(0.2)
    say(s.id == id, lease.is_live, lease.ends_at > s.now(), s.read("short/db").lease is lease)
`,
      await environmentOf('short.token', old),
      async (line) => {
        if (line === 'read') await environmentOf('short.token', broker.serviceAccountToken());
      },
    );
    expect(lines).toEqual(['read', 'True True True True']);
  });

  it('logs in again after its session was ended, also while it follows', async () => {
    await change('own/ended', 'first');
    let ended = 0;
    const lines = await client.run(
      `
s = session()
secret = s.read("own/ended")
ask("id", s.id)
again = s.read("own/ended")
say(again.lease.id != secret.lease.id, secret.lease.is_live, again.lease.is_live)
for secret in s.follow(["own/ended"]):
    if secret.version == "2":
        break
    ask("id", s.id)
s.close()
try:
    s.read("own/ended")
except ClosedError as error:
    failure(error)
`,
      environment,
      async (line) => {
        if (!line.startsWith('id ')) return;
        await endSession(line);
        ended += 1;
        if (ended === 2) await change('own/ended', 'second');
      },
    );
    expect(lines).toEqual([
      expect.stringMatching(/^id ses_/),
      'True False True',
      expect.stringMatching(/^id ses_/),
      'ClosedError None',
    ]);
  });
  it('ends its session, its leases and its threads when it is closed', async () => {
    const lines = await client.run(
      `
import threading
s = session()
s.read("own/team/app/db")
following = s.follow(["own/team/app/db"])
said = threading.Event()
def run():
    for secret in following:
        say("followed", secret.version)
        said.set()
thread = threading.Thread(target=run)
thread.start()
while len(threading.enumerate()) < 4:
    time.sleep(0.01)
said.wait()
say(s.id)
s.close()
thread.join()
say(threading.enumerate() == [threading.main_thread()])
`,
      environment,
    );
    expect(lines).toEqual(['followed 1', expect.stringMatching(/^ses_/), 'True']);
    const { json } = await broker.installation.call('GET', '/api/v1/sessions', {
      token: broker.operator,
    });
    expect(JSON.stringify(json)).not.toContain(lines[1]);
  });

  it('raises when the pod is in quarantine, also out of a loop that waits', async () => {
    const lines = await client.run(
      `
with session() as s:
    try:
        for secret in s.follow(["own/team/app/db"]):
            say("quarantine")
    except ApiError as error:
        say(error.code, error.status)
`,
      await environmentOf(
        'q.token',
        broker.serviceAccountToken({ serviceAccount: 'q', pod: 'q-0' }),
      ),
      async (line) => {
        if (line !== 'quarantine') return;
        const body = {
          kind: 'workload',
          workload: 'k8s://c1/prod/q',
          reason: 'test',
          duration: '1h',
        };
        const answer = await broker.installation.call('POST', '/api/v1/quarantines', {
          token: broker.operator,
          body,
        });
        expect(answer.status).toBe(200);
      },
    );
    expect(lines).toEqual(['quarantine', 'ERR_DENIED 403']);
  });

  it('accepts the certificate of the configured CA only, for the right name, and notices a new CA file', async () => {
    const front = await TlsFront.listen(Number(new URL(broker.installation.url).port));
    const tls = { ...environment, URL: front.url };
    const right = await broker.installation.write('right.pem', front.caPem);
    const wrong = await broker.installation.write('wrong.pem', new CertificateAuthority().cert);
    const lines = await client.run(
      `
import shutil
def attempt(url=None, **more):
    try:
        with session(url, **more) as s:
            say(s.read("own/team/app/db").version)
    except UnreachableError as error:
        failure(error)
attempt(ca_file="${right}")
attempt(ca_file="${wrong}")
attempt()
attempt(ca_file="${right}.absent")
attempt(os.environ["URL"].replace("127.0.0.1", "localhost"), ca_file="${right}")
shutil.copy("${wrong}", "replaced.pem")
s = session(ca_file="replaced.pem")
try:
    s.read("own/team/app/db")
except UnreachableError as error:
    failure(error)
shutil.copy("${right}", "replaced.pem")
say(s.read("own/team/app/db").version)
s.close()
`,
      tls,
    );
    front.close();
    expect(lines).toEqual([
      '1',
      'UnreachableError tls',
      'UnreachableError tls',
      'UnreachableError tls',
      'UnreachableError tls',
      'UnreachableError tls',
      '1',
    ]);
  });

  it('refuses to be used after a fork, and does not end the session of its parent', async () => {
    const lines = await client.run(
      `
with session() as s:
    s.read("own/team/app/db")
    child = os.fork()
    if child == 0:
        try:
            s.read("own/team/app/db")
        except ClosedError as error:
            failure(error)
        s.close()
        os._exit(0)
    os.waitpid(child, 0)
    id = s.id
    say(s.read("own/team/app/db").version, s.id == id)
`,
      environment,
    );
    expect(lines).toEqual(['ClosedError None', '1 True']);
  });
});
