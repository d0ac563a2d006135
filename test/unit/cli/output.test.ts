import { Writable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { Output } from '../../../src/cli/output/output.ts';

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

describe('what is shown to people', () => {
  it('has nothing that a terminal obeys, whatever a view lets through, except our colours', async () => {
    const { output, text } = capture();
    const view = '\u001b[32mgreen\u001b[39m \u001b[2J\u202e\u001b]0;title\u0007\nnext\tcell';
    await output.show({}, () => view);
    await output.item({}, () => view);
    const line = '\u001b[32mgreen\u001b[39m \\u{1b}[2J\\u{202e}\\u{1b}]0;title\\u{7}\nnext\tcell\n';
    expect(text()).toBe(line + line);
  });
});
