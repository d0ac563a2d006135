import { Writable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { failureOf } from '../../../../src/cli/output/failure.ts';
import { Output } from '../../../../src/cli/output/output.ts';

function capture() {
  let text = '';
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  return { output: new Output('table', { stdout: stream, stderr: stream }), text: () => text };
}

describe('output for people', () => {
  it("contains no control characters except the program's own colours", async () => {
    const { output, text } = capture();
    const view = '\u001b[32mgreen\u001b[39m \u001b[2J\u202e\u001b]0;title\u0007\nnext\tcell';
    await output.show({}, () => view);
    await output.item({}, () => view);
    const line = '\u001b[32mgreen\u001b[39m \\u{1b}[2J\\u{202e}\\u{1b}]0;title\\u{7}\nnext\tcell\n';
    expect(text()).toBe(line + line);
  });
});

describe('a standard output that fails', () => {
  const output = (code: string): Output => {
    const stream = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error('canary'), { code })),
    });
    // As in the process: the write reports the error.
    stream.on('error', () => undefined);
    return new Output('table', { stdout: stream, stderr: stream });
  };

  it.each([
    ['a result', (to: Output) => to.show({}, () => 'x')],
    ['one of many', (to: Output) => to.item({}, () => 'x')],
    ['what was done', (to: Output) => to.say('x')],
    ['bytes', (to: Output) => to.raw('x')],
  ])('fails a command that writes %s, with the reason', async (_what, write) => {
    const full = await write(output('ENOSPC')).catch(failureOf);
    expect(full).toMatchObject({
      exitCode: 1,
      text: 'cannot write to standard output: ENOSPC; changes that the broker has made stay in effect',
    });
    const closed = await write(output('EPIPE')).catch(failureOf);
    expect(closed).toMatchObject({ exitCode: 141, text: '' });
  });
});
