"""serve.py PORT FOLDER: gooseBit on loopback; database and images are in the folder. Its own start would listen on every
address, and its package lacks the file that its migrations are run by: so both are done here."""
import asyncio
import os
import pathlib
import sys

port, folder = int(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
os.environ |= {"GOOSEBIT_DB_URI": f"sqlite://{folder}/fleet.sqlite3", "GOOSEBIT_ARTIFACTS_DIR": f"{folder}/images",
               "GOOSEBIT_POLL_TIME": "00:00:05"}
(folder / "images").mkdir(exist_ok=True)
os.chdir(folder)  # its settings are looked for where it runs

import aerich  # noqa: E402
import goosebit.db.config as db  # noqa: E402
import tortoise  # noqa: E402
import uvicorn  # noqa: E402


async def tables():
    steps = aerich.Command(tortoise_config=db.TORTOISE_CONF, app="models",
                           location=str(pathlib.Path(db.__file__).with_name("migrations")))
    await steps.init()
    await steps.upgrade(run_in_transaction=True)
    await tortoise.Tortoise.close_connections()


asyncio.run(tables())
import goosebit  # noqa: E402
uvicorn.run(goosebit.app, host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=2)
