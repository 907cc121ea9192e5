"""`relay webhook`: registers the app's webhook in Dataverse, with an administrator's sign-in.

The administrator names the function app in Azure and the address of Dataverse. What the app says is only compared with
them. A token goes to the service that it is for and nowhere else, and a key to Dataverse and to the function that it
opens.
"""
