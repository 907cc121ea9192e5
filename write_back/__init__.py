"""After posting: the accounting detail returns from Finance to the actuals in Dataverse."""
