import azure.functions as func

app = func.FunctionApp()


@app.blob_trigger("blob", "inbox/{name}", "Storage")
async def read_blob(blob: func.InputStream) -> None:
    blob.read()
