import { LEFT_OUT } from './left-out.ts';

interface Assertion {
  readonly ancestorTitles: readonly string[];
  readonly status: string;
  readonly title: string;
}

interface Results {
  readonly testResults: readonly { readonly testResults: readonly Assertion[] }[];
}

/** Reports skipped suites and the reason at the end of a run, so that a skipped suite does not look passed. */
export default class LeftOutReporter {
  onRunComplete(_contexts: unknown, results: Results): void {
    const skipped = results.testResults
      .flatMap((file) => file.testResults)
      .filter(({ status }) => status === 'pending')
      .flatMap(leftOutLine);
    if (skipped.length === 0) return;
    console.error(`\nLeft out (npm run backends install; BACKENDS=required makes this a failure):`);
    for (const line of new Set(skipped)) console.error(line);
  }
}

/** The suite and the reason, which is the title of the suite's one test, or the end of its own title if only some of its tests are skipped. */
function leftOutLine({ ancestorTitles, title }: Assertion): readonly string[] {
  const suite = ancestorTitles.join(' > ');
  if (title.startsWith(LEFT_OUT)) return [`  ${suite}: ${title.slice(LEFT_OUT.length)}`];
  const [, before, reason] = PARTLY.exec(suite) ?? [];
  return reason === undefined ? [] : [`  some tests of ${before}: ${reason}`];
}

const PARTLY = new RegExp(`^([^]*) \\(${LEFT_OUT}([^)]*)\\)`);
