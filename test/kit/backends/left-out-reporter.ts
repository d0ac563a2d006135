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
      .filter(({ status, title }) => status === 'pending' && title.startsWith(LEFT_OUT));
    if (skipped.length === 0) return;
    console.error(`\nLeft out (npm run backends install; BACKENDS=required makes this a failure):`);
    for (const { ancestorTitles, title } of skipped) {
      console.error(`  ${ancestorTitles.join(' > ')}: ${title.slice(LEFT_OUT.length)}`);
    }
  }
}
