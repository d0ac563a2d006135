#!/usr/bin/env node
/** Programs of their own come first: they load nothing of the others. */
if (process.argv[2] === 'agent') await import('./delivery/agent/main.ts');
else {
  const { runProgram } = await import('./program.ts');
  const code = await runProgram();
  if (code !== undefined) process.exit(code);
}
