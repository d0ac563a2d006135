/** Runs once before all suites. */
export default function globalSetup(): void {
  // No backend is started yet.
}
