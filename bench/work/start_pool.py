"""Seconds from starting an interpreter to its first result, nothing running before (measured from outside)."""

import json
import subprocess
import sys
import time

CODE = "import multiprocessing as m, sys; p = m.Pool(int(sys.argv[1])); assert p.apply(abs, (-1,)) == 1"
CODE += "; import time; print(time.time())"
began = time.time()
done = subprocess.run([sys.executable, "-c", CODE, sys.argv[1]], capture_output=True, text=True, check=True)
print(json.dumps({"interpreter start to first result, s": float(done.stdout) - began}))
